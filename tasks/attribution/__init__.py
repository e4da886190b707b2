"""What every network of a night reads: fields by rank per task, and the seconds that each of them makes."""
