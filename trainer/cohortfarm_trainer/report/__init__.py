"""report.html of a stage: one file that needs nothing else."""
