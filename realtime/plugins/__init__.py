"""Anyone's VST3 or Audio Unit in the chain, each in a process of its own."""
