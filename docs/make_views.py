#!/usr/bin/env python3
"""Draws docs/pictures/views.png, a place of the demo's track as the robust recipe shows it.

Needs the packages of a donkeycar environment:

    .environments/dk53/bin/python docs/make_views.py
"""

import os
import sys

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "demo"))

from PIL import Image

from driver import State, pursue
from scene import CAMERA, Scene
from track import Track
from trainer.pictures import draw_steering
from trainer.recovery import SHOWN_VIEWS, TYPICAL_RADIUS_M, steer_back
from trainer.views import Camera, Viewer

PATH = os.path.join(sys.path[1], "docs", "pictures", "views.png")
SEED, ARC_M = 3, 3.1
SIZE, GAP = (200, 150), 6


def main() -> None:
    track = Track(SEED)
    x, y, heading = track.point(ARC_M)
    recorded = Scene(track, seed=SEED).picture(x, y, heading)
    angle = pursue(track, State(x, y, heading, speed=1.0))
    camera = Camera(CAMERA.above_floor_m, CAMERA.pitch_deg, CAMERA.field_of_view_deg)
    viewer = Viewer(camera, recorded.shape)
    views = SHOWN_VIEWS[:5]
    row = Image.new("RGB", (len(views) * (SIZE[0] + GAP) - GAP, SIZE[1]), "white")
    for number, view in enumerate(views):
        steering = steer_back(angle, view, radius_m=TYPICAL_RADIUS_M)
        picture = draw_steering(viewer(recorded, view), driven=steering)
        row.paste(picture.resize(SIZE), (number * (SIZE[0] + GAP), 0))
    row.save(PATH)


if __name__ == "__main__":
    main()
