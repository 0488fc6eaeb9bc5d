"""Records in and out of the formats of others: what a row means (shapes) apart from how it is stored (containers)."""
