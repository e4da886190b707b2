"""Any two models against each other on the judge days that they share, and all of them night by night."""
