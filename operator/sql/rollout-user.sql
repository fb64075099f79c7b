-- A user of the FE for steady.rollout that may do just what it needs: OPERATE on SYSTEM (StarRocks 3.0 and newer).
-- Put a password of your own in and run this as root, or as a user with the role user_admin:
--   mysql --host prod-fe-service --port 9030 --user root --password < rollout-user.sql
-- It lets the user read and set the FEs' configuration (ADMIN SHOW, ADMIN SET) and see the nodes and tablet counts
-- (SHOW FRONTENDS, SHOW BACKENDS, SHOW COMPUTE NODES, SHOW PROC); not read or write any table, nor ALTER SYSTEM.
CREATE USER IF NOT EXISTS 'rollout' IDENTIFIED BY 'CHANGE_ME';
GRANT OPERATE ON SYSTEM TO USER 'rollout';
