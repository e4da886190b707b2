"""Candidates: what proposes some videos to every user, so that tomorrow's score ranks those and not a pool of all."""
