"""Everything that needs torch: data, differentiable twins, training, evaluation, export.

Imports from realtime only `params`, `preset` and `features` (NumPy, shared so that training and
stage hear the same), and, in `evaluate` alone, the real chain behind `transfer`.
"""
