"""Parts that tell browsers how to treat this site, and that keep wrong hosts and schemes out."""
