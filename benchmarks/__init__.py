"""Measurements that write what they found, where and when, as JSON."""
