"""Who answers: models of every kind, each in the form of prompt it understands."""
