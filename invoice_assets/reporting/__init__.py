"""Reports over the tables: SQL files that analysts may copy, and what is known of each view that is made from them."""
