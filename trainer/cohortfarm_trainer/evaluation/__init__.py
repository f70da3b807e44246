"""How good a model is, for whom: scores, intervals, subgroups."""
