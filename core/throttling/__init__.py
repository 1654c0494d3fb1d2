"""How often something may be done: counted in Redis for all processes, in each one while Redis is away."""
