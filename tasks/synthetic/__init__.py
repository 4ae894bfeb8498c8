"""The embedded sample: talking heads whose truth is known, made from parts that ship in wheels."""
