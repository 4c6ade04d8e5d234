"""`tidemark bench matching`: the engine part by part, large books kept and brought back, a long journal recovered."""
