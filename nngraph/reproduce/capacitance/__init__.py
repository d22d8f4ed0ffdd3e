"""Neural capacitance and the accuracy to come (Jiang et al., Nature Communications 2024), asked of small networks."""
