"""Dubbing of one video: decoding, face tracking, landmark prediction, compositing, encoding."""
