"""Probes asked and judged, and the figures and the page of it."""
