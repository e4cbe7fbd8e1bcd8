"""Training algorithms: each folder is one submission, and an example of one."""
