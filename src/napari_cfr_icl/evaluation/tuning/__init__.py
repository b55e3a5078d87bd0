"""The search for A-CFR settings (paper section 3.1) by clicks against passes."""
