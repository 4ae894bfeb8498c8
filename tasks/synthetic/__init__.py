"""The synthetic sample: talking heads with known ground truth, made from parts that ship in wheels."""
