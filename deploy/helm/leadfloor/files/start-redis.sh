# The first of the set is the master, the others are its replicas. The password comes by standard input, so that nobody reads it off the
# list of processes.
set -eu
case $(hostname) in
*-0) replica= ;;
*) replica="--replicaof $MASTER 6379" ;;
esac
password=$(cat /run/secrets/redis.password)
exec redis-server /etc/redis/redis-leadfloor.conf --unixsocket "" --port 6379 --dir /data \
	--min-replicas-to-write 1 --min-replicas-max-lag 10 $replica - <<END
requirepass $password
masterauth $password
END
