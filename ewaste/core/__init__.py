"""What everything stands on: configuration, the database, money, time, ids and refusals. It knows no business."""
