-- How many recordings a term finds decides in which way they are looked for: it has to be known of rare terms as well.
ALTER TABLE search ALTER COLUMN terms SET STATISTICS 1000;
ANALYZE search (terms);
