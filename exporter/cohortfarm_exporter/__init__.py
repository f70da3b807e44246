"""Brings models into the layout that CohortFarm loads: ONNX graphs of a diffusers pipeline, gates, optimised graphs."""
