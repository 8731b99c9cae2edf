"""What is known with a source: machines, models, prices, grids."""
