"""What a run shows of itself: pictures, curves, one page."""
