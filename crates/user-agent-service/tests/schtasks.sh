#!/bin/sh
# In the place of schtasks.exe: one task, in a file; answers as the real one does, in German. Files beside it switch:
#   denied    /Create is refused
#   deaf      /Run succeeds once, and nothing starts (the last instance has not quite ended)
#   dead      /Run succeeds, and the program ends at once
cd "${0%/*}" || exit 9
echo "$*" >> calls
known() {
    [ -e "task-$1" ] || { echo 'FEHLER: Das System kann die angegebene Datei nicht finden.' >&2; exit 1; }
}
case $1 in
    /Create)
        [ ! -e denied ] || { echo 'FEHLER: Zugriff verweigert' >&2; exit 1; }
        [ "$2 $4 $6" = '/TN /XML /F' ] || exit 1
        cp "$5" "task-$3" ;;
    /Query) known "$3" ;;
    /Run)
        known "$3"
        if [ -e deaf ]; then rm deaf; elif [ ! -e dead ]; then echo 4711 > process; fi ;;
    /End) known "$3"; touch ended ;;
    /Delete) known "$3"; rm "task-$3" ;;
    *) exit 1 ;;
esac
echo 'ERFOLGREICH.'
