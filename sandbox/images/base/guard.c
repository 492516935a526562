/* The lease guard: PID 1 of every container. It runs one command and ends the whole container
 * when the lease is over, even when nothing of ours is running outside.
 *
 *   guard [-s STOPSIGNAL] [-g GRACE_SECONDS] -- COMMAND ARGS...
 *   guard -x -- COMMAND ARGS...
 *
 * What runs in its container has its user, and could take the processor from it. So the command,
 * and whatever comes of it, gets a system-call filter that leaves PID 1 and the host alone. The
 * second form gives the filter to a command that did not come from the guard, and becomes it.
 *
 * DEADLINE_FILE is one line, `DEADLINE WRITTEN UPTIME BOOT`: the end in unix seconds, then when the
 * line was written, as unix time and as time since boot (both in milliseconds), and the boot's id.
 * Without a valid deadline in the future nothing is started. Exit: the command's code, 128+n if signal n ended it,
 * 124 when the lease was over or missing, 126/127 when the command cannot be run, 2 for usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_FILE "/run/sandbox/deadline"
#define NANOS INT64_C(1000000000)
#define POLL NANOS
#define EXPIRED 124
#define MILLIS INT64_C(1000000)
#define FAR_FUTURE INT64_C(9000000000) /* in seconds: its nanoseconds still fit 64 bits */
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_LENGTH 36
#define AT_ONCE 256 /* dead processes; who makes them faster than we take them must not hold us */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the numbers of system calls are not known for this processor"
#endif
#define FOREIGN_CALLS 0x40000000 /* x32: the same architecture, other numbers */
#define ONE_PROCESS 1            /* IOPRIO_WHO_PROCESS */

struct options {
    int stop_signal;
    int64_t grace;
    int becoming;
    char **command;
};

/* The moments are in nanoseconds. */
struct lease {
    int64_t deadline, written, uptime;
    char boot[BOOT_LENGTH + 1];
};

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NANOS + t.tv_nsec;
}

static void say(const char *text)
{
    fprintf(stderr, "sandbox guard: %s\n", text);
}

/* Reads the start of a file as text; returns its length or -1. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return -1;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length < 0 ? 0 : length] = '\0';
    return length;
}

/* Reads the lease; returns 0, or -1 if there is no valid one. The newline is required: while the
 * file is being replaced, its beginning alone must not be taken for the whole. */
static int read_lease(struct lease *lease)
{
    char text[128], last;
    long long deadline, written, uptime;
    ssize_t length = read_text(DEADLINE_FILE, text, sizeof text);
    if (length < 2 || strspn(text, "0123456789abcdef- ") != (size_t)length - 1)
        return -1;
    if (sscanf(text, "%12lld %15lld %15lld %36s%c", &deadline, &written, &uptime, lease->boot,
               &last) != 5 || last != '\n')
        return -1;
    if (deadline < 0 || deadline > FAR_FUTURE || written < 0 || written > FAR_FUTURE * 1000 ||
        uptime < 0 || uptime > FAR_FUTURE * 1000)
        return -1;
    lease->deadline = deadline * NANOS;
    lease->written = written * MILLIS;
    lease->uptime = uptime * MILLIS;
    return 0;
}

/* Returns when the lease ends, on CLOCK_BOOTTIME, which counts suspended time and nobody can set.
 * In the boot in which the line was written the wall clock does not count at all; in another one
 * it does, but no clock that was set back makes time run backwards. */
static int64_t target_of(const struct lease *lease)
{
    char boot[BOOT_LENGTH + 2];
    if (read_text(BOOT_FILE, boot, sizeof boot) > BOOT_LENGTH) {
        boot[BOOT_LENGTH] = '\0';
        if (strcmp(boot, lease->boot) == 0)
            return lease->uptime + lease->deadline - lease->written;
    }
    int64_t wall = now(CLOCK_REALTIME);
    if (wall < lease->written)
        wall = lease->written;
    return now(CLOCK_BOOTTIME) + lease->deadline - wall;
}

static int same_lease(const struct lease *a, const struct lease *b)
{
    return a->deadline == b->deadline && a->written == b->written && a->uptime == b->uptime;
}

static int signal_number(const char *name)
{
    static const struct { const char *name; int number; } known[] = {
        {"TERM", SIGTERM}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
        {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL}};
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i].name) == 0)
            return known[i].number;
    return -1;
}

static int64_t grace_of(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    return end == text || *end || !(seconds >= 0 && seconds <= 3600) ? -1 : (int64_t)(seconds * NANOS);
}

static int parse(int count, char **words, struct options *options)
{
    int letter;
    *options = (struct options){.stop_signal = SIGTERM, .grace = 2 * NANOS};
    while ((letter = getopt(count, words, "+s:g:x")) != -1) {
        if (letter == 's')
            options->stop_signal = signal_number(optarg);
        else if (letter == 'g')
            options->grace = grace_of(optarg);
        else if (letter == 'x')
            options->becoming = 1;
        else
            return -1;
    }
    options->command = words + optind;
    return optind < count && options->stop_signal > 0 && options->grace >= 0 ? 0 : -1;
}

static void block_signals(sigset_t *watched, sigset_t *before)
{
    sigemptyset(watched);
    sigaddset(watched, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        sigaddset(watched, forwarded[i]);
    sigprocmask(SIG_BLOCK, watched, before);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SAME(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSE(error) ANSWER(SECCOMP_RET_ERRNO | (error))
/* Its `which` (first argument) must name one process: all those of a user would be PID 1 too, and
 * so would a group, which whoever came of the guard may join. */
#define LEAVE_WHO(call, one)                                                                \
    SAME(call, 0, 6), LOAD(args[0]), SAME(one, 0, 2), LOAD(args[1]), SAME(1, 0, 1),         \
    REFUSE(EPERM), ANSWER(SECCOMP_RET_ALLOW)
#define LEAVE_PID(call)                                                                     \
    SAME(call, 0, 4), LOAD(args[0]), SAME(1, 0, 1), REFUSE(EPERM), ANSWER(SECCOMP_RET_ALLOW)

/* Refuses a call that has one bit set in an argument; and one whose first two are these. */
#define WITHOUT(call, argument, bit)                                                        \
    SAME(call, 0, 4), LOAD(args[argument]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit, 0, 1), \
    REFUSE(EPERM), ANSWER(SECCOMP_RET_ALLOW)
#define NEVER(call) SAME(call, 0, 1), REFUSE(ENOSYS)
#define SOCKET_OPTIONS                                                                      \
    SAME(__NR_setsockopt, 0, 8), LOAD(args[1]), SAME(SOL_SOCKET, 0, 5), LOAD(args[2]),      \
    SAME(SO_DONTROUTE, 2, 0), SAME(SO_BINDTODEVICE, 1, 0), SAME(SO_BROADCAST, 0, 1),        \
    REFUSE(EPERM), ANSWER(SECCOMP_RET_ALLOW)

/* Keeps priority, scheduling, limits and processors of PID 1 out of reach, for ever; and the host
 * from packets that go past the routes, which nobody on a bridge without an address would take.
 * Calls by other numbers than this processor's own would pass, and so would those that are queued:
 * there are none. Returns 0 or -1. */
static int confine(void)
{
    static struct sock_filter rules[] = {
        LOAD(arch), SAME(ARCHITECTURE, 1, 0), REFUSE(ENOSYS),
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_CALLS, 0, 1), REFUSE(ENOSYS),
        LEAVE_PID(__NR_sched_setscheduler), LEAVE_PID(__NR_sched_setparam),
        LEAVE_PID(__NR_sched_setattr), LEAVE_PID(__NR_sched_setaffinity),
        LEAVE_PID(__NR_prlimit64), LEAVE_WHO(__NR_setpriority, PRIO_PROCESS),
        LEAVE_WHO(__NR_ioprio_set, ONE_PROCESS), SOCKET_OPTIONS,
        WITHOUT(__NR_sendto, 3, MSG_DONTROUTE), WITHOUT(__NR_sendmsg, 2, MSG_DONTROUTE),
        WITHOUT(__NR_sendmmsg, 3, MSG_DONTROUTE), NEVER(__NR_io_uring_setup),
        ANSWER(SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Becomes the command, or says why it cannot. */
static void become(char **command)
{
    if (confine() == 0)
        execvp(*command, command);
    fprintf(stderr, "sandbox guard: cannot run %s: %s\n", *command, strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

/* A group of its own for the command, so that a forwarded signal reaches its children too. */
static pid_t start(char **command, const sigset_t *mask)
{
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, mask, NULL);
        become(command);
    }
    if (child > 0)
        setpgid(child, child);
    return child;
}

/* Reaps dead processes, so many at once. Returns 0 while `child` lives, else 1 with its exit code.
 * Sets `alone` when no child, own or adopted, is left. */
static int reap(pid_t child, int *code, int *alone)
{
    int status, ended = 0;
    pid_t pid = 1;
    for (int i = 0; i < AT_ONCE && (pid = waitpid(-1, &status, WNOHANG)) > 0; i++) {
        if (pid != child)
            continue;
        *code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        ended = 1;
    }
    *alone = pid < 0 && errno == ECHILD;
    return ended;
}

static int wait_for_signal(const sigset_t *watched, int64_t until)
{
    int64_t left = until - now(CLOCK_BOOTTIME);
    if (left < 0)
        left = 0;
    if (left > POLL)
        left = POLL;
    struct timespec span = {.tv_sec = left / NANOS, .tv_nsec = left % NANOS};
    return sigtimedwait(watched, NULL, &span);
}

/* Ends everything in the container. The exit of PID 1 takes the rest with it. */
static int expire(const struct options *options, const sigset_t *watched)
{
    int code, alone = 0;
    int64_t until = now(CLOCK_BOOTTIME) + options->grace;
    say("the lease is over, stopping");
    kill(-1, options->stop_signal);
    kill(-1, SIGCONT); /* a stopped process would not see the signal */
    while (!alone && now(CLOCK_BOOTTIME) < until) {
        reap(0, &code, &alone);
        if (!alone)
            wait_for_signal(watched, until);
    }
    kill(-1, SIGKILL);
    reap(0, &code, &alone);
    return EXPIRED;
}

static int watch(const struct options *options, pid_t child, struct lease lease,
                 const sigset_t *watched)
{
    int code = 0, alone;
    int64_t target = target_of(&lease), poll = now(CLOCK_BOOTTIME) + POLL;
    while (!reap(child, &code, &alone)) {
        if (now(CLOCK_BOOTTIME) >= poll) {
            struct lease latest;
            if (read_lease(&latest) == 0 && !same_lease(&latest, &lease)) {
                lease = latest;
                target = target_of(&lease);
            }
            poll = now(CLOCK_BOOTTIME) + POLL;
        }
        if (now(CLOCK_BOOTTIME) >= target)
            return expire(options, watched);
        int number = wait_for_signal(watched, target < poll ? target : poll);
        if (number > 0 && number != SIGCHLD)
            kill(-child, number);
    }
    return code;
}

int main(int count, char **words)
{
    struct options options;
    sigset_t watched, before;
    if (parse(count, words, &options) < 0) {
        say("usage: guard [-s STOPSIGNAL] [-g GRACE_SECONDS] [-x] -- COMMAND ARGS...");
        return 2;
    }
    if (options.becoming)
        become(options.command);
    struct lease lease;
    int valid = read_lease(&lease) == 0;
    if (!valid || target_of(&lease) <= now(CLOCK_BOOTTIME)) {
        say(valid ? "the lease is over, not starting"
                  : "no valid deadline in " DEADLINE_FILE ", not starting");
        return EXPIRED;
    }
    /* Else the command, which has the same user, could trace us and outlive its lease. */
    prctl(PR_SET_DUMPABLE, 0);
    block_signals(&watched, &before);
    pid_t child = start(options.command, &before);
    if (child < 0) {
        say("cannot start a process");
        return 126;
    }
    return watch(&options, child, lease, &watched);
}
