"""Bad input never passes silently and never loses data: row rules quarantine, table rules stop the run."""
