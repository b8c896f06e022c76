# Print nothing, write out/index.html. Run in this folder.
set -eu
mkdir -p out
{
    cat parts/head.html
    echo '<style>'
    cat ../style/out/*.css
    echo '</style>'
    echo "<h1>Anagrams among $(grep -c . ../words/out/words.txt) words</h1>"
    echo '<ul>'
    ../anagrams/out/anagrams < ../words/out/words.txt | sed 's|.*|<li>&</li>|'
    echo '</ul>'
    cat parts/foot.html
} > out/index.html
