"""What happens to a device at the test centre: the checklist, the grade, and the way it takes next.

The rules (`checklist`, `grading`, `routing`) are pure: findings go in, a grade or a way comes out, with the reasons.
"""
