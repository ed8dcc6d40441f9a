"""The reference hub: agents, their instances, and what was said to them."""
