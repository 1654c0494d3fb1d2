"""How mails look: pages and texts from templates, out of figures that others have computed."""
