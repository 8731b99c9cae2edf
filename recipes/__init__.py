"""How the two models that come with isoflop were trained; each is one command that resumes."""
