"""From frames to faces: detectors, landmark backends, tracks."""
