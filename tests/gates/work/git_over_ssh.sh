# A Git server behind ssh, and a day's work against it: clone, branches, hooks, rebase, push, fetch, worktrees.
. "$(dirname "$0")/lib.sh"
ssh_server 2222
export GIT_SSH_COMMAND="ssh -p 2222 -o StrictHostKeyChecking=accept-new"
git config --global user.name Dev && git config --global user.email dev@example.com
git config --global init.defaultBranch main
git init -q --bare server/app.git
git clone -q "ssh://127.0.0.1$PWD/server/app.git" app
cd app
mkdir .githooks && printf '#!/bin/sh\ngit diff --cached --check\n' >.githooks/pre-commit && chmod +x .githooks/pre-commit
git config core.hooksPath .githooks && git add .githooks
for i in $(seq $((5 * SCALE))); do
  echo "line $i" >>README
  git add README && git commit -q -m "Change $i"
done
git push -q origin main
git switch -q -c topic HEAD~2 && echo more >notes && git add notes && git commit -q -m Notes
git rebase -q main && git push -q origin topic
git worktree add -q ../app-topic-2 -b topic-2 && git log --stat >/dev/null && git grep -q line
git fetch -q --all && git gc -q && git fsck >/dev/null
# The same server through a jump and a port forward, a file by rsync.
ssh -p 2222 -o ProxyCommand='ssh -p 2222 -W %h:%p 127.0.0.1' 127.0.0.1 'uname -a' >/dev/null
ssh -p 2222 -f -N -L 127.0.0.1:2200:127.0.0.1:2222 -o ExitOnForwardFailure=yes -S "$PWD/../server/control" -M 127.0.0.1
ssh -p 2200 -o StrictHostKeyChecking=no 127.0.0.1 'bash -c "echo over the forward"' >/dev/null
ssh -S "$PWD/../server/control" -O exit 127.0.0.1 2>/dev/null
rsync -a -e "ssh -p 2222" README "127.0.0.1:$PWD/../copied"
eval "$(ssh-agent -s)" >/dev/null && ssh-add -q && ssh-add -l >/dev/null && ssh-agent -k >/dev/null
