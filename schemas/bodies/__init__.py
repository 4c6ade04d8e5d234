"""What clients send and receive over HTTP, one file per noun; pydantic lives here and nowhere else."""
