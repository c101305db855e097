"""One experiment under several treatments: remedies, designs, interventions, advice."""
