-- Until now the embedded database did not wait for the disk, so acknowledged messages may be missing after a power cut.
UPDATE "rooms" SET "epoch" = gen_random_uuid() WHERE version() LIKE '%PGlite%';
