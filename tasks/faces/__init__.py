"""Face detectors, landmark backends and tracks."""
