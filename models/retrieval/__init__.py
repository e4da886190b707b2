"""What proposes videos before anything is scored: losses and encoders of user and video vectors."""
