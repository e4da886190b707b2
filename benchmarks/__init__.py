"""Measurements, one command each. They compute as nights do by default, whichever CPU they run on."""

from tasks.core import arithmetic

arithmetic.pin_default()
arithmetic.limit_threads()
