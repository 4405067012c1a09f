"""Reviews the recorded driving: finds what would spoil a model, and deletes it on request."""
