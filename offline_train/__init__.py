"""Everything that needs torch: data, differentiable twins, training, evaluation, export.

Imports from realtime only `params`, `preset`, `features` and what that is made of (NumPy, shared
so that training and stage hear the same), and, in `evaluate` alone, the real chain behind
`transfer`.
"""
