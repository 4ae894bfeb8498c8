"""The usual preprocessing loop of talking-face repositories, as a yardstick; facemesh.py runs it beside an ingest.

    python facemesh_loop.py OUT CLIP...

Needs an environment of its own (mediapipe==0.10.14, Python 3.11). OpenCV decodes, MediaPipe's face mesh finds 468
points a frame; a crop of 128 pixels and a sketch of the points are written as JPEG, the points as .npy. No sound, no
cuts, no quality, no routing. Prints the seconds of film.
"""

import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

_SIDE_PX = 128


def preprocess(clip: Path, folder: Path) -> float:
    """Write what the loop finds in a clip; return the clip's seconds."""
    folder.mkdir(parents=True)
    video = cv2.VideoCapture(str(clip))
    seconds = video.get(cv2.CAP_PROP_FRAME_COUNT) / max(1.0, video.get(cv2.CAP_PROP_FPS))
    number = 0
    with mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
        while True:
            is_read, frame = video.read()
            if not is_read:
                return float(seconds)
            faces = mesh.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).multi_face_landmarks
            if faces:
                _write(frame, faces[0], folder / f"{number:05d}")
            number += 1


def _write(frame, face, name: Path) -> None:
    height, width = frame.shape[:2]
    points = np.array([(point.x * width, point.y * height, point.z * width) for point in face.landmark], np.float32)
    left, top = np.clip(points[:, :2].min(0), 0, None).astype(int)
    right, bottom = points[:, :2].max(0).astype(int)
    if right <= left or bottom <= top:
        return
    sketch = np.zeros_like(frame)
    contours = mediapipe.solutions.face_mesh.FACEMESH_CONTOURS
    mediapipe.solutions.drawing_utils.draw_landmarks(sketch, face, contours, None)
    for suffix, picture in (("", frame), ("_sketch", sketch)):
        crop = cv2.resize(picture[top:bottom, left:right], (_SIDE_PX, _SIDE_PX))
        cv2.imwrite(f"{name}{suffix}.jpg", crop)
    np.save(f"{name}.npy", points)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    out, *clips = map(Path, sys.argv[1:])
    print(sum(preprocess(clip, out / str(number)) for number, clip in enumerate(clips)))
