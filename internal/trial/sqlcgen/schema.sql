CREATE TABLE IF NOT EXISTS artist (
  tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
  id        bigint NOT NULL,
  name      text   NOT NULL,
  born      date,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE IF NOT EXISTS album (
  tenant_id bigint        NOT NULL DEFAULT partywall.tenant(),
  id        bigint        NOT NULL,
  artist_id bigint        NOT NULL,
  title     text          NOT NULL,
  price     numeric(10,2) NOT NULL,
  tags      text[]        NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, artist_id) REFERENCES artist (tenant_id, id)
);
