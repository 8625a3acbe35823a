-- Numbers are searched by their last digits: any of a long number's that people know.
CREATE INDEX participant_by_last_digits ON participant (substr(number, -4));
