CREATE TABLE item (
  tenant_id bigint NOT NULL,
  id        bigint NOT NULL,
  name      text   NOT NULL,
  price     bigint NOT NULL,
  made      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE event (
  tenant_id bigint NOT NULL,
  id        bigint NOT NULL,
  name      text   NOT NULL,
  price     bigint NOT NULL,
  made      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
