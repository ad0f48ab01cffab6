-- The catalogue: what the chain sells, the same in all its stores. Every store
-- reads it and none writes it.

CREATE TABLE IF NOT EXISTS artist (
  artist_id integer PRIMARY KEY,
  name      text    NOT NULL
);

CREATE TABLE IF NOT EXISTS album (
  album_id  integer PRIMARY KEY,
  title     text    NOT NULL,
  artist_id integer NOT NULL REFERENCES artist
);

CREATE TABLE IF NOT EXISTS genre (
  genre_id integer PRIMARY KEY,
  name     text    NOT NULL
);

CREATE TABLE IF NOT EXISTS media_type (
  media_type_id integer PRIMARY KEY,
  name          text    NOT NULL
);

CREATE TABLE IF NOT EXISTS track (
  track_id      integer       PRIMARY KEY,
  name          text          NOT NULL,
  album_id      integer       NOT NULL REFERENCES album,
  media_type_id integer       NOT NULL REFERENCES media_type,
  genre_id      integer       NOT NULL REFERENCES genre,
  composer      text          NOT NULL,
  milliseconds  integer       NOT NULL CHECK (milliseconds > 0),
  unit_price    numeric(10,2) NOT NULL CHECK (unit_price >= 0)
);

SELECT partywall.share('artist'), partywall.share('album'), partywall.share('genre'),
       partywall.share('media_type'), partywall.share('track');
