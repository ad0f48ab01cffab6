CREATE TABLE IF NOT EXISTS orders (
  tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
  id        bigint GENERATED ALWAYS AS IDENTITY,
  item      text   NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
SELECT partywall.protect('orders');
