"""Array code of dubbing: output timeline, choice of the face, mouth motion, and compositing into the source frame."""
