/* The lease guard: PID 1 of every container. It runs one command and ends the whole container
 * when the lease is over, even when nothing of ours is running outside.
 *
 *   guard [-s STOPSIGNAL] [-g GRACE_SECONDS] -- COMMAND ARGS...
 *
 * The deadline is the text of DEADLINE_FILE: unix seconds and a newline. Without a valid deadline
 * in the future nothing is started. Exit: the command's code, 128+n if signal n ended it,
 * 124 when the lease was over or missing, 126/127 when the command cannot be run, 2 for usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_FILE "/run/sandbox/deadline"
#define NANOS INT64_C(1000000000)
#define POLL NANOS
#define EXPIRED 124
#define FAR_FUTURE INT64_C(9000000000) /* in seconds: its nanoseconds still fit 64 bits */

struct options {
    int stop_signal;
    int64_t grace;
    char **command;
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

/* Returns the deadline in unix seconds, or -1. The newline is required: while the file is being
 * replaced, its beginning alone would be a valid but much earlier date. */
static int64_t read_deadline(void)
{
    char text[32];
    int file = open(DEADLINE_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return -1;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length < 2 || text[length - 1] != '\n')
        return -1;
    text[length - 1] = '\0';
    if (strspn(text, "0123456789") != (size_t)length - 1)
        return -1;
    errno = 0;
    int64_t seconds = strtoll(text, NULL, 10);
    return errno || seconds > FAR_FUTURE ? -1 : seconds;
}

/* The wall clock counts only at this moment; from here on only elapsed time does, suspended time
 * included, so setting the wall clock neither shortens nor lengthens a lease. */
static int64_t target_of(int64_t deadline)
{
    return now(CLOCK_BOOTTIME) + deadline * NANOS - now(CLOCK_REALTIME);
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
    while ((letter = getopt(count, words, "+s:g:")) != -1) {
        if (letter == 's')
            options->stop_signal = signal_number(optarg);
        else if (letter == 'g')
            options->grace = grace_of(optarg);
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

/* A group of its own for the command, so that a forwarded signal reaches its children too. */
static pid_t start(char **command, const sigset_t *mask)
{
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(*command, command);
        fprintf(stderr, "sandbox guard: cannot run %s: %s\n", *command, strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child > 0)
        setpgid(child, child);
    return child;
}

/* Reaps every dead process. Returns 0 while `child` lives, else 1 with its exit code. Sets `alone`
 * when no child, own or adopted, is left. */
static int reap(pid_t child, int *code, int *alone)
{
    int status, ended = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
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

static int watch(const struct options *options, pid_t child, int64_t deadline,
                 const sigset_t *watched)
{
    int code = 0, alone;
    int64_t target = target_of(deadline), poll = now(CLOCK_BOOTTIME) + POLL;
    while (!reap(child, &code, &alone)) {
        if (now(CLOCK_BOOTTIME) >= poll) {
            int64_t latest = read_deadline();
            if (latest >= 0 && latest != deadline)
                target = target_of(deadline = latest);
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
        say("usage: guard [-s STOPSIGNAL] [-g GRACE_SECONDS] -- COMMAND ARGS...");
        return 2;
    }
    int64_t deadline = read_deadline();
    if (deadline < 0 || deadline * NANOS <= now(CLOCK_REALTIME)) {
        say(deadline < 0 ? "no valid deadline in " DEADLINE_FILE ", not starting"
                         : "the lease is over, not starting");
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
    return watch(&options, child, deadline, &watched);
}
