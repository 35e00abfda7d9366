-- Run once, by the user that owns both, when the database server starts for the first time.
CREATE DATABASE dv_sync;
