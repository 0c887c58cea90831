"""Ready-made wire protocols: lines (basic) so far."""
