"""Boards, runs, replay, statistics: what turns choices into ranked numbers, and shows them."""
